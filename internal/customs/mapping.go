package customs

import (
	"slices"

	"greenlane"
)

// Mapping is one of the tables by which messages are understood, for people to
// read. The guide to customs messages is generated from them.
type Mapping struct {
	Format greenlane.MessageFormat
	// Title names what is mapped; Source is where the codes are from and what in
	// the table is inference, in one sentence or two.
	Title, Source string
	Columns       []string
	// Rows have a text for each column, in an order that is always the same.
	Rows [][]string
}

// Mappings returns every table, format by format.
func Mappings() []Mapping {
	return slices.Concat(wcoMappings(), nctsMappings(), aesMappings(), catairMappings(), x12Mappings(), cusresMappings())
}
