"""What can come in: models of every source behind one class, `edgeemb.models.base.LoadedModel`."""
