"""A loader for Keras 3 and for tf.data. What is yielded: see _views.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._views import Epochs, Layout

if TYPE_CHECKING:
    from ._batch import Batch, Batches


_ALIGNMENT = 64


def _to_tensors(layout: Layout) -> Callable[[Batch], Any]:
    import tensorflow as tf

    def convert(array: np.ndarray) -> Any:
        if array.ctypes.data % _ALIGNMENT:  # TensorFlow ends the process when it meets such memory
            return tf.convert_to_tensor(array)
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())

    return lambda batch: layout.arrays(batch, convert, tf.convert_to_tensor)


def tf_data(loader: Batches, masks: bool | str | None, weights: bool | None) -> Any:
    """A tf.data.Dataset of whole batches, one epoch a pass."""
    import tensorflow as tf

    layout = Layout(loader, masks, weights, real=True)

    def spec(kind: Any, *inner: int) -> Any:
        return tf.TensorSpec((None, *inner), kind)

    inputs: Any = {}
    for row in layout.inputs:
        inner = (row["slots"], row["features"]) if row["padded"] else (row["features"],)
        inputs[row["name"]] = spec(tf.float32, *inner)
        if row["name"] in layout.masked:
            whole = layout.form == "values" or not row["padded"]
            inputs[f"{row['name']}_mask"] = spec(tf.bool, *(inner if whole else inner[:1]))
    if layout.single:
        inputs = inputs[layout.inputs[0]["name"]]
    signature = (inputs, spec(tf.float32), *((spec(tf.float32),) if layout.weights else ()))
    epochs = Epochs(loader, _to_tensors(layout))
    dataset = tf.data.Dataset.from_generator(lambda: iter(epochs), output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(loader)))


def keras(loader: Batches, masks: bool | str | None, weights: bool | None) -> Any:
    """What fit, evaluate and predict of Keras 3 take as ``x``.

    Keras takes a DataAdapter as it is and calls the train step with whatever it iterates over, so no queue, no tf.data
    and no copy stand in between. (A keras.utils.PyDataset would go through tf.data.Dataset.from_generator.) Under a
    tf.distribute strategy it is a tf.data.Dataset. class_weight is not applied to adapters: use weights of the data
    set.
    """
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter

    layout = Layout(loader, masks, weights, real=True)

    class LoaderAdapter(DataAdapter):
        """Whole batches of a mlaas.Loader."""

        def __init__(self) -> None:
            self.loader = loader

        def get_tf_dataset(self) -> Any:
            import tensorflow as tf

            if tf.distribute.has_strategy():
                return tf_data(loader, masks, weights)
            return Epochs(loader, _to_tensors(layout))

        def get_numpy_iterator(self) -> Iterator[Any]:
            def convert(batch: Batch) -> Any:
                return layout.arrays(batch, np.asarray, np.asarray)

            return iter(Epochs(loader, convert))

        def get_jax_iterator(self) -> Iterator[Any]:
            return self.get_numpy_iterator()

        def get_torch_dataloader(self) -> Any:
            import torch

            def convert(batch: Batch) -> Any:
                return layout.arrays(batch, torch.from_dlpack, torch.from_numpy)

            return Epochs(loader, convert)

        @property
        def num_batches(self) -> int:
            return len(loader)

        @property
        def batch_size(self) -> int | None:
            return None

        @property
        def has_partial_batch(self) -> bool:
            return False

        @property
        def partial_batch_size(self) -> int | None:
            return None

        def __len__(self) -> int:
            return len(loader)

    return LoaderAdapter()
