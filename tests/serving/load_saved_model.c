/* Asks a SavedModel one thing, through the loader that TensorFlow Serving has, without Python.
 *
 *     load_saved_model FOLDER LIBRARY... < question > answer
 *
 * A question: the number of inputs (int32), and of each the name of its operation (uint32 length and
 * bytes), its output's number (int32) and a tensor; then the number of outputs that are wanted, and of
 * each name and number. An answer: a tensor each. A tensor: dtype (int32, of TF_DataType), rank
 * (int32), sizes (int64 each) and its values; a string is its length (uint64) and bytes. All in the
 * machine's own byte order.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensorflow/c/c_api.h"

static TF_Status *status;

static void stop(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}

static void check(void) {
  if (TF_GetCode(status) != TF_OK) stop(TF_Message(status));
}

static void take(void *place, size_t bytes) {
  if (bytes && fread(place, bytes, 1, stdin) != 1) stop("the question ends too early");
}

static int32_t take_int(void) {
  int32_t value;
  take(&value, sizeof value);
  return value;
}

static void give(const void *place, size_t bytes) {
  if (bytes && fwrite(place, bytes, 1, stdout) != 1) stop("cannot write");
}

static TF_Output take_output(TF_Graph *graph) {
  char name[1024] = {0};
  uint32_t length;
  take(&length, sizeof length);
  if (length >= sizeof name) stop("a name is too long");
  take(name, length);
  TF_Output found = {TF_GraphOperationByName(graph, name), take_int()};
  if (!found.oper) stop(name);
  return found;
}

static TF_Tensor *take_tensor(void) {
  int32_t dtype = take_int(), rank = take_int();
  int64_t sizes[8], count = 1;
  if (rank < 0 || rank > 8) stop("a rank is beyond 8");
  take(sizes, rank * sizeof *sizes);
  for (int i = 0; i < rank; i++) count *= sizes[i];
  size_t width = dtype == TF_STRING ? sizeof(TF_TString) : TF_DataTypeSize(dtype);
  TF_Tensor *tensor = TF_AllocateTensor(dtype, sizes, rank, count * width);
  if (dtype != TF_STRING) {
    take(TF_TensorData(tensor), count * width);
    return tensor;
  }
  TF_TString *strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; i++) {
    uint64_t length;
    take(&length, sizeof length);
    char *bytes = malloc(length + 1);
    if (!bytes) stop("out of memory");
    take(bytes, length);
    TF_StringInit(&strings[i]);
    TF_StringCopy(&strings[i], bytes, length);
    free(bytes);
  }
  return tensor;
}

static void give_tensor(const TF_Tensor *tensor) {
  int32_t dtype = TF_TensorType(tensor), rank = TF_NumDims(tensor);
  give(&dtype, sizeof dtype);
  give(&rank, sizeof rank);
  for (int i = 0; i < rank; i++) {
    int64_t size = TF_Dim(tensor, i);
    give(&size, sizeof size);
  }
  if (dtype != TF_STRING) {
    give(TF_TensorData(tensor), TF_TensorByteSize(tensor));
    return;
  }
  const TF_TString *strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < TF_TensorElementCount(tensor); i++) {
    uint64_t length = TF_StringGetSize(&strings[i]);
    give(&length, sizeof length);
    give(TF_StringGetDataPointer(&strings[i]), length);
  }
}

int main(int count, char **words) {
  if (count < 2) stop("load_saved_model FOLDER LIBRARY...");
  status = TF_NewStatus();
  for (int i = 2; i < count; i++) {
    TF_LoadLibrary(words[i], status);
    check();
  }
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, words[1], tags, 1, graph, NULL, status);
  check();

  enum { MOST = 64 };
  TF_Output inputs[MOST], outputs[MOST];
  TF_Tensor *given[MOST], *answers[MOST];
  int asked = take_int();
  if (asked < 0 || asked > MOST) stop("too many inputs");
  for (int i = 0; i < asked; i++) {
    inputs[i] = take_output(graph);
    given[i] = take_tensor();
  }
  int wanted = take_int();
  if (wanted < 0 || wanted > MOST) stop("too many outputs");
  for (int i = 0; i < wanted; i++) outputs[i] = take_output(graph);
  TF_SessionRun(session, NULL, inputs, given, asked, outputs, answers, wanted, NULL, 0, NULL, status);
  check();
  for (int i = 0; i < wanted; i++) give_tensor(answers[i]);
  return 0;
}
