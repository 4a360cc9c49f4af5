"""`python -m bonefx_page` is `edge-page`."""

from bonefx_page.cli import main

main()
