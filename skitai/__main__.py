"""``python -m skitai`` is the command ``skitai``."""

import sys

from skitai.cli.main import main

sys.exit(main())
