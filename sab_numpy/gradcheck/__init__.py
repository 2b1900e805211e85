"""Anyone's gradient against numbers: sab.check, the proofs of the model, what a wrong gradient forgot."""
