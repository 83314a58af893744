from __future__ import annotations

import torch

from dan_model.explain.attributions import attribute


def test_grad_cam_is_the_mean_gradient_times_the_features_of_backbone_and_heads(task):
    """By its definition: for the backbone on its output, for the heads on x·a."""
    model = task.model.eval()
    with torch.no_grad():
        features = model.features(task.x)
    features.requires_grad_()
    attended = [head.sa(features) for head in model.heads]
    for one in attended:
        one.retain_grad()
    embeddings = []
    for head, one in zip(model.heads, attended, strict=True):
        pooled = one.mean(dim=(2, 3))
        embeddings.append(pooled * head.ca(pooled))
    logits = model.classify(model.fuse(torch.stack(embeddings, dim=1))[1])
    logits.log_softmax(dim=1)[0, 1].backward()

    def cam(layer):
        return (layer.grad.mean(dim=(2, 3), keepdim=True) * layer).sum(dim=1)[0].detach()

    torch.testing.assert_close(attribute(task, "layer_grad_cam").cells, cam(features), rtol=1e-3, atol=1e-6)
    of_heads = attribute(task, "head_grad_cam")
    torch.testing.assert_close(of_heads.per_head, torch.stack([cam(one) for one in attended]), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(of_heads.cells, of_heads.per_head.sum(dim=0))
    model.zero_grad()
