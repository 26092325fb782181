package customs

func isNCTS(doc *document) bool { return false }

func readNCTS(doc *document) ([]Response, *problem) { return nil, nil }

func nctsMappings() []Mapping { return nil }
