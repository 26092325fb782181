package customs

func isCUSRES(doc *document) bool { return false }

func readCUSRES(doc *document) ([]Response, *problem) { return nil, nil }

func cusresMappings() []Mapping { return nil }
