package documents

import "greenlane"

type Document struct {
	Type                greenlane.ArtifactType
	Filename, MediaType string
	Bytes               []byte
}

func Make(p *greenlane.PlannedExport) ([]Document, error) {
	return []Document{{Type: "cci_json", Filename: "a.json", Bytes: p.Canonical()}}, nil
}
func MediaType(string) string { return "application/json" }
