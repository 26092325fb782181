package customs

func isAES(doc *document) bool { return false }

func readAES(doc *document) ([]Response, *problem) { return nil, nil }

func aesMappings() []Mapping { return nil }
