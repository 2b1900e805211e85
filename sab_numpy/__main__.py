import sys

from sab_numpy.cli import main

sys.exit(main())
