"""The library: files, how they come in, where their bytes are kept, and the pictures that are made of them.

storage.py keeps bytes; types.py tells what they are; pictures.py asks the processes that read pictures; uploads.py
takes files in; addresses.py says where they are served; renditions.py makes what is served; library.py is what editors
do; reconcile.py finds what interruptions left.
"""

from cms.media.addresses import Fit, Format, original, src_set, url
from cms.media.library import delete, end_due, listing, replace, update, users
from cms.media.reconcile import reconcile
from cms.media.uploads import Target, add_image, create, fetch, finish, forget_expired, receive, sendable

__all__ = [
    "Fit",
    "Format",
    "Target",
    "add_image",
    "create",
    "delete",
    "end_due",
    "fetch",
    "finish",
    "forget_expired",
    "listing",
    "original",
    "receive",
    "reconcile",
    "replace",
    "sendable",
    "src_set",
    "update",
    "url",
    "users",
]
