"""The concept loop: pairs of media and phrases, from mining to retraining."""
