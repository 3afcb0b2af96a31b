"""The demo shop: made-up products, real events, and the scores, reasons and rankings that follow from each click.

``backend`` is what a shop's own web backend would do with Presage, and the file to copy from. Around it: ``products`` and their
``pictures``, ``visits`` with what the page remembers of them, ``personas`` who shop by a script, ``learning``, which says which
model has learned from how many purchases, and ``playground``, which starts all that the shop needs where there is no server yet.
"""
