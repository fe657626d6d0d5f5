"""The codecs, one file each; `edgeemb.tables` lists them."""
