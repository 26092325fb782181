package customs

func isCATAIR(doc *document) bool { return false }

func readCATAIR(doc *document) ([]Response, *problem) { return nil, nil }

func catairMappings() []Mapping { return nil }
