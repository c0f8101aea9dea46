"""ResNet-18, trained with the defaults of torchvision's references/classification/train.py.

SGD at 0.1, momentum 0.9, weight decay 1e-4, batches of 32, random resized crops and flips, the rate
divided by 10 after each third of the training (the reference: every 30 of 90 epochs); crops of 28
pixels, which is how large the images are. The last epoch answers.
"""

import numpy as np
import operators  # measuring
import torch
import torchvision
from measuring import DATA, EPOCHS, answered, epoch_ended
from torch import nn
from torchvision import transforms

normalise = [
    transforms.ToTensor(),
    transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
]
augment = [transforms.RandomResizedCrop(28), transforms.RandomHorizontalFlip()]
training = torch.utils.data.DataLoader(
    torchvision.datasets.ImageFolder(
        DATA / "pictures/train", transforms.Compose(augment + normalise)
    ),
    batch_size=32,
    shuffle=True,
    num_workers=torch.get_num_threads(),
)
validation = torch.utils.data.DataLoader(
    torchvision.datasets.ImageFolder(DATA / "pictures/val", transforms.Compose(normalise)),
    batch_size=32,
)
model = torchvision.models.resnet18(num_classes=10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=max(1, EPOCHS // 3), gamma=0.1)
for _ in range(EPOCHS):
    model.train()
    for images, labels in training:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    schedule.step()
    model.eval()
    right = 0
    with torch.inference_mode():
        for images, labels in validation:
            right += (model(images).argmax(1) == labels).sum().item()
    print("validation", right / len(validation.dataset))
    epoch_ended(right / len(validation.dataset))
test = np.repeat(np.load(DATA / "arrays.npz")["test_images"][..., None], 3, axis=3)
test = torch.stack([transforms.Compose(normalise)(picture) for picture in test])
with torch.inference_mode():
    answers = torch.cat([model(batch).argmax(1) for batch in test.split(500)])
answered(answers)
