package customs

func isX12(doc *document) bool { return false }

func readX12(doc *document) ([]Response, *problem) { return nil, nil }

func x12Mappings() []Mapping { return nil }
