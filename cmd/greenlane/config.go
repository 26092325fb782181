package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// yamlConfig gives flags their values from a configuration file.
type yamlConfig map[string]any

// yamlResolver reads a configuration file: one level of flag names.
func yamlResolver(r io.Reader) (kong.Resolver, error) {
	values := yamlConfig{}
	if err := yaml.NewDecoder(r).Decode(&values); err != nil && err != io.EOF {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	return values, nil
}

// Validate refuses names that are no setting of a hub: a misspelt one must not
// be taken for one that is absent.
func (c yamlConfig) Validate(app *kong.Application) error {
	known := map[string]bool{"url": true, "key": true}
	for _, node := range app.Leaves(false) {
		if node.Name != "serve" {
			continue
		}
		for _, flag := range node.Flags {
			known[flag.Name] = true
		}
	}
	var unknown []string
	for name := range c {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("configuration file: unknown key %s", strings.Join(unknown, ", "))
	}
	return nil
}

// Resolve returns a flag's value, nil when the file does not have it.
func (c yamlConfig) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := c[flag.Name]
	if !ok {
		return nil, nil
	}
	if list, ok := value.([]any); ok {
		texts := make([]string, len(list))
		for i, v := range list {
			texts[i] = fmt.Sprint(v)
		}
		return strings.Join(texts, ","), nil
	}
	return value, nil
}
