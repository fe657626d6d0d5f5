"""What can be loaded: models from every source behind one class, `edgeemb.models.base.LoadedModel`."""
