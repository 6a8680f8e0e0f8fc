"""ids -> vectors. Written in keras.ops alone: nothing here imports TensorFlow."""
