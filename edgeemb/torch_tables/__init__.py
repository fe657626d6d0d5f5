"""Tables in torch: the `torch.library` ops, and forms of tables that can be trained."""
