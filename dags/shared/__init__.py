"""What the DAGs share. Before a task runs, only what is described in data is imported of our code: parsing is light."""
