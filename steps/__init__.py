"""The container entrypoint of the step image, and what makes that image; one adapter a CI platform goes beside them."""
