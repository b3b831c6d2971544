"""The optimisation of one cohort: latents, where they start, what is minimised, and in which steps."""
