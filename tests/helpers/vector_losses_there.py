"""The losses of sentence-transformers, and their gradients to the vectors.

    python vector_losses_there.py '{"vectors": FILE.npz, "out": FILE.npz, "jobs": [{"name": …,
        "loss": class, "how": {…}, "texts": K, "wrapper": {…} or null}, …]}'

The file has `vectors` (B, K, N, E) and, by a job's name, its labels. A model that gives the vectors
it is told stands in the place of an encoder; of a wrapper over layers it gives those of each.
"""

import json
import random
import sys

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, losses
from sentence_transformers.sentence_transformer.losses import (
    batch_hard_triplet,
    contrastive,
    triplet,
)

PLACES = {
    "TripletLoss": triplet.TripletDistanceMetric,
    "ContrastiveLoss": contrastive.SiameseDistanceMetric,
    "OnlineContrastiveLoss": contrastive.SiameseDistanceMetric,
    "BatchHardTripletLoss": batch_hard_triplet.BatchHardTripletLossDistanceFunction,
}


class Given(torch.nn.Module):
    """Gives vectors in the place of a model: of a number of a column, of a layer."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = vectors  # (B, K, E)
        self.device = torch.device("cpu")

    def forward(self, features):
        return {"sentence_embedding": self.vectors[:, features["column"]]}

    def get_embedding_dimension(self):
        return self.vectors.shape[-1]


def value(job, model, labels):
    how = dict(job["how"])
    if "distance_metric" in how:
        how["distance_metric"] = getattr(PLACES[job["loss"]], how["distance_metric"])
    loss = getattr(losses, job["loss"])(model, **how)
    if job["loss"] == "SoftmaxLoss":
        loss.classifier.weight.data = torch.tensor(job["kernel"]).T
        loss.classifier.bias.data = torch.zeros(len(job["kernel"][0]))
    if job.get("wrapper"):
        loss = losses.MatryoshkaLoss(model, loss, **job["wrapper"])
    columns = [{"column": place} for place in range(job["texts"])]
    return loss(columns, labels)


def main(asked):
    random.seed(0)
    given, found = np.load(asked["vectors"]), {}
    for job in asked["jobs"]:
        name = job["name"]
        vectors = torch.tensor(given["vectors"][:, : job["texts"]], requires_grad=True)
        labels = torch.tensor(given[name]) if name in given else torch.zeros(len(vectors))
        result = value(job, Given(vectors), labels)
        result.backward()
        found[name] = result.detach().numpy()
        found[f"{name}, gradient"] = vectors.grad.numpy()
    np.savez(asked["out"], **found)
    print(json.dumps(len(found)))


if __name__ == "__main__":
    assert SentenceTransformer is not None
    main(json.loads(sys.argv[1]))
