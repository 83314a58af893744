"""How DAN learns."""
