// The filters are examples, so that one build makes a module of each.
