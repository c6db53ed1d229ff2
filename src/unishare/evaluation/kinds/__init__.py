"""One module for each kind of scenario: how a part of it is measured. Each yields readings and knows nothing of files or figures."""
