"""Why a visitor's score is what it is: ``ModelService.Explain``, and the process that explains."""
