package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configuration is a configuration file: flag names with their values.
type configuration struct {
	file   string
	values map[string]*yaml.Node
	// names are the nodes of the names, for their lines.
	names []*yaml.Node
}

// readConfiguration reads a file with one level of flag names.
func readConfiguration(r io.Reader) (*configuration, error) {
	c := &configuration{file: "the configuration file", values: map[string]*yaml.Node{}}
	if f, ok := r.(*os.File); ok {
		c.file = f.Name()
	}
	decoder := yaml.NewDecoder(r)
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		return nil, fmt.Errorf("%s is not YAML: %s", c.file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s has more than one document; write all settings into one", c.file)
	}
	root := document.Content[0]
	if root.Tag == "!!null" {
		return c, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s must have lines of flag names and values, such as\n  listen: 127.0.0.1:8080", c.file)
	}
	for i := 0; i < len(root.Content); i += 2 {
		name := root.Content[i]
		if c.values[name.Value] != nil {
			return nil, fmt.Errorf("%s: %s is there twice", c.place(name), name.Value)
		}
		c.values[name.Value] = root.Content[i+1]
		c.names = append(c.names, name)
	}
	return c, nil
}

// place says where in the file a node is.
func (c *configuration) place(n *yaml.Node) string { return fmt.Sprintf("%s, line %d", c.file, n.Line) }

// Validate refuses names that are no setting of a hub: a misspelt one must not
// be taken for one that is absent.
func (c *configuration) Validate(app *kong.Application) error {
	known := settings(app)
	var wrong []string
	for _, name := range c.names {
		if !slices.Contains(known, name.Value) {
			wrong = append(wrong, fmt.Sprintf("%s: there is no setting %q", c.place(name), name.Value))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%s\nThere are: %s", strings.Join(wrong, "\n"), strings.Join(known, ", "))
}

// settings are the names a configuration file may have: what describes a hub and
// how to reach it.
func settings(app *kong.Application) []string {
	names := []string{"url", "key"}
	for _, node := range app.Leaves(false) {
		if node.Name != "serve" {
			continue
		}
		for _, flag := range node.Flags {
			names = append(names, flag.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Resolve returns a flag's value, nil when the file does not have it or the
// environment overrules it.
func (c *configuration) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value := c.values[flag.Name]
	if value == nil || fromEnvironment(flag) {
		return nil, nil
	}
	if value.Kind != yaml.SequenceNode {
		return c.text(value)
	}
	if !flag.IsSlice() {
		return nil, fmt.Errorf("%s: takes one value, not a list", c.place(value))
	}
	texts := make([]string, len(value.Content))
	for i, item := range value.Content {
		text, err := c.text(item)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return strings.Join(texts, ","), nil
}

// text returns a value as it would stand on the command line.
func (c *configuration) text(n *yaml.Node) (string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", fmt.Errorf("%s: must be a value or a list of values", c.place(n))
	case n.Tag == "!!null":
		return "", fmt.Errorf("%s: has no value; give it one, or leave the line out", c.place(n))
	}
	return n.Value, nil
}
