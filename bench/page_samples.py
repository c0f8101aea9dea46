"""Write the page's samples, the first test image of each class: python3 bench/page_samples.py.

They are there to be looked at; nothing is measured on them.
"""

import numpy as np
from PIL import Image

from fashion_cnn.cli.output import say
from fashion_cnn.data.fashion_mnist import CLASS_NAMES, DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.shipping.serve import PAGE

split = DataSet.open(data_directory(None, say)).test()
for label, name in enumerate(CLASS_NAMES):
    word = name.lower().replace("/", "-").replace(" ", "-")
    first = int(np.flatnonzero(split.labels == label)[0])
    Image.fromarray(split.images[first]).save(PAGE / "samples" / f"{label}-{word}.png")
