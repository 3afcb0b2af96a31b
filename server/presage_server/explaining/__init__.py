"""Why a visitor's score is what it is: ``ModelService.Explain``, beside the calls that need to be fast."""
