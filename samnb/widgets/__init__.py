"""The studio and its parts. ipywidgets, ipycanvas and anywidget live only here."""
