"""Annotations in the field's file formats, in and out."""
