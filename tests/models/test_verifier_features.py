import numpy as np

from samnb.models.verifier_features import N_APPEARANCE, appearance


def test_a_scattered_mask_of_which_one_pixel_is_left_is_described():
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    for size in range(1, 9):  # about the share of a pixel after the region is made small
        mask = np.zeros((240, 320), np.bool_)
        mask[0, 0] = mask[-1, -1] = True
        mask[120 : 120 + size, 160 : 160 + size] = True

        values = appearance(image, mask)

        assert values.shape == (N_APPEARANCE,)
        assert np.isfinite(values).all()
