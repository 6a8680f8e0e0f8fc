"""The types of public signatures, by name: one name means one thing everywhere.

A parameter that is not here has the type of its default value. `CLASS.METHOD.NAME` or
`FUNCTION.NAME` stands for a single one, `METHOD` or `CLASS.METHOD` for what is returned.
"""

PLACE = "str | os.PathLike[str]"
TEXT = "str | None"
COUNT = "int | None"
NUMBER = "float | None"
FLAG = "bool | None"
ARRAY = "np.ndarray[Any, Any]"
TENSORS = "dict[str, Any]"
LISTED = "Sequence[Any]"
MANY_TEXTS = "str | Sequence[str] | np.ndarray[Any, Any]"


def _all(kind, names):
    return dict.fromkeys(names.split(), kind)


PARAMETERS = {
    **_all(
        PLACE,
        "preset folder file filepath source place corpus FewShotClassifier.from_preset.preset "
        "Index.load.folder",
    ),
    **_all(f"{PLACE} | None", "config_file vocab_file Checkpoints.folder RunLog.folder"),
    **_all(
        TEXT,
        "name dtype problem_type prompt prompt_name default_prompt_name corpus_prompt "
        "corpus_prompt_name query_prompt query_prompt_name activation aggregation_strategy mode "
        "monitor nonfinite objective output_format precision scheme second_task pooling text_pair "
        "mlm_act classifier_act similarity_fn_name hypothesis_template template task "
        "config_name reproduce prefix",
    ),
    **_all(
        "str", "text text_name question context query token to activation_function family metric"
    ),
    **_all("str", "hidden_act"),
    **_all("int | Literal['all'] | None", "trainable_layers"),
    **_all("bool | None", "export_saved_model.pairs"),
    **_all(
        COUNT,
        "max_length max_seq_len max_question_len max_answer_len doc_stride top_k truncate_dim "
        "max_active_dims max_predictions corpus_chunk_size document_length query_length "
        "passage_length embedding_size num_hidden_groups position_padding_id relative_buckets "
        "project_embeddings steps steps_per_epoch batch_size range_max layer every "
        "pair_separators second_segment max_position_embeddings relation_heads",
    ),
    **_all(
        "int",
        "hidden_size num_hidden_layers num_attention_heads intermediate_size vocab_size index "
        "epoch batch step rows keep start",
    ),
    **_all(
        NUMBER,
        "soft hard cosine dropout absolute_margin relative_margin max_score min_score layer_decay "
        "clip_norm "
        "attention_output_dropout_prob classifier_dropout_prob",
    ),
    **_all("float", "threshold rate epsilon beta_1 beta_2 decay"),
    **_all(
        FLAG,
        "lowercase multi_label handle_impossible_answer strip_accents pad_to_max_length exactly "
        "query_expansion drop_remainder bare",
    ),
    **_all(TEXT, "_Task.save_adapter.format base_name _Task.set_adapter.name"),
    **_all("str", "_Task.add_adapter.name _Task.load_adapter.name _Task.delete_adapter.name"),
    **_all("Any", "spoken export_saved_model.task export_onnx.task export_litert.task"),
    **_all("str | Sequence[str] | None", "export_saved_model.adapters"),
    **_all("bool", "drop_padding optimizer_too"),
    **_all(FLAG, "show_progress_bar"),
    **_all("float | Any", "learning_rate"),
    **_all("str | Sequence[str]", "AverageWeights.every prompts_of"),
    **_all("str | int | Any | None", "verbose"),
    **_all("Sequence[str] | int | None", "labels"),
    **_all("Sequence[str]", "pieces skiplist_words skiplist_tasks"),
    **_all("Sequence[str] | None", "candidate_labels names exclude_from_layer_adaptation outputs"),
    **_all("Sequence[int] | None", "layers heads length_buckets"),
    **_all("Sequence[int] | int | None", "student_of.layers"),
    **_all("Mapping[str, str] | None", "prompts special_pieces"),
    **_all("Sequence[float] | Mapping[str, float] | float | None", "thresholds"),
    **_all("Mapping[Any, float] | Sequence[float] | None", "class_weight"),
    **_all("Sequence[Any] | None", "callbacks groups ignore metrics weighted_metrics"),
    **_all("Encoder", "encoder encoder_of"),
    **_all("Preprocessor", "preprocessor"),
    **_all("Preprocessor | None", "attention.preprocessor integrated_gradients.preprocessor"),
    **_all("Tokenizer", "tokenizer"),
    **_all("str | int | tuple[Any, Any] | Callable[..., Any] | None", "target"),
    **_all(MANY_TEXTS, "sentences queries sequences documents"),
    **_all("str | Sequence[str]", "extend_vocabulary.words"),
    **_all("Iterable[str]", "prune_vocabulary.keep"),
    **_all(
        f"{PLACE} | Sequence[{PLACE}]",
        "make_pretraining_data.inputs make_pretraining_data.outputs",
    ),
    **_all("Any", "make_pretraining_data.settings on_beam"),
    **_all(FLAG, "make_pretraining_data.show_progress_bar"),
    **_all(TEXT, "extend_vocabulary.to prune_vocabulary.to"),
    **_all("Callable[..., Any]", "fit make_task run"),
    **_all("Callable[..., Any] | None", "score answers"),
    **_all("EncoderConfig | Mapping[str, Any]", "Encoder.__init__.config"),
    **_all("Attention | Sequence[Attention]", "measures_view.found"),
    **_all("Attention", "head_view.found model_view.found"),
    **_all("Mapping[str, Any] | None", "settings about"),
    **_all("Mapping[str, Any]", "config by_class"),
    **_all(LISTED, "pairs batches variables modules seeds added_tokens assets"),
    **_all(
        "Any",
        "C X a b also adapted args kwargs chars checkpoint clings common columns corrections "
        "corpus_embeddings counted cross_encoder custom_objects cut data dataset default "
        "discriminator embeddings first found g generator grads how ids initializer inputs letters "
        "logits logs loss loss_weights m mask merges model optimizer query_embeddings reranker "
        "sample_weight sampling scale second shape y_pred student teacher shares_with tags targets "
        "texts trainable_variables units v validation_data vectors vocabulary w weights width x y "
        "state",
    ),
}

RETURNS = {
    **_all(
        "None",
        "__init__ build clear add approximate release compile compile_from_config save_assets "
        "load_assets set_candidates set_thresholds keep_prompts record_loss ready ready_to_train "
        "set_asking "
        "Checkpoints.save Index.save on_epoch_begin on_epoch_end on_train_batch_end on_train_begin "
        "on_train_end _Task.save fill_generator",
    ),
    **_all(
        "Self",
        "from_preset from_config load from_checkpoint add_adapter load_adapter merge_and_unload",
    ),
    **_all("None", "set_adapter delete_adapter merge_adapter unmerge_adapter make_adapters"),
    **_all("pathlib.Path", "save_adapter"),
    **_all("tuple[int, int]", "trained_share"),
    **_all("dict[str, Any]", "merged_arrays base_arrays adapter_variables head_variables"),
    **_all("Any", "wearing disable_adapter"),
    **_all("dict[str, Any]", "make_pretraining_data"),
    **_all("dict[str, Any]", "get_config to_dict evaluate named_variables get_compile_config"),
    **_all("Any", "extend_vocabulary prune_vocabulary"),
    **_all(
        "pathlib.Path",
        "export_saved_model export_onnx export_litert export_text_encoder encode_to_file",
    ),
    **_all("keras.callbacks.History", "_Task.fit SentenceEncoder.fit Distiller.fit"),
    **_all("FewShotClassifier", "FewShotClassifier.fit"),
    **_all("NoReturn", "MultiVectorEncoder.fit Reranker.fit"),
    **_all(
        ARRAY,
        "similarity similarity_pairwise predict_scores predict_proba features transform "
        "fit_transform lengths buckets predict_similarity SentenceEncoder.encode "
        "encode_query encode_document predict",
    ),
    **_all("dict[str, Any]", "Encoder.predict Preprocessor.__call__ Preprocessor.packed"),
    **_all("list[str]", "FewShotClassifier.predict"),
    **_all("Iterator[dict[str, Any]]", "answer"),
    **_all("list[Choice]", "predict_choices"),
    **_all("list[dict[str, Any]]", "rank semantic_search"),
    **_all("dict[str, float]", "tune_thresholds"),
    **_all("float", "tune_threshold"),
    **_all("int", "token_to_id"),
    **_all("str", "id_to_token prompt_of prompt_of_documents prompt_of_queries fingerprint"),
    **_all("list[Any]", "attention_scores"),
    **_all("Attention", "attention"),
    **_all("keras.Model", "bilstm_of"),
    **_all("Any", "student_of"),
    **_all("Attribution", "integrated_gradients"),
    **_all("View", "head_view model_view measures_view"),
    **_all("Report", "Encoder.save_to_preset"),
}
PROPERTIES = {
    **_all("int", "embedding_width max_length vocabulary_size width"),
    **_all("int", "pad_token_id unknown_token_id cls_token_id sep_token_id mask_token_id"),
    **_all("bool", "has_projection has_vocabulary reads_windows"),
    **_all("list[str]", "vocabulary"),
}
