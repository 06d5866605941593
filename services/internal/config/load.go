package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/caarlos0/env/v11"
)

// Error lists every bad setting, one line each.
type Error []string

// Error implements error.
func (e Error) Error() string { return strings.Join(e, "\n") }

// Where a value came from.
const (
	fromDefault     = "default"
	fromEnvironment = "environment"
)

// Load reads the settings from environ, as os.Environ returns it, and from the
// .env file at path; a file that does not exist is no error. Any unknown name
// in the file and any bad value is one line of an Error.
func Load(environ []string, path string) (*Config, error) {
	file, wrong := readDotenv(path)
	bad := Error(wrong)
	known := settings()
	for name := range file {
		if !isSetting(known, name) && !isSecret(known, name) {
			bad = append(bad, fmt.Sprintf("%s: %s is no setting; `backup-monitor config` lists them all", path, name))
		}
	}
	values, sources := merge(known, file, environ, path)
	bad = append(bad, readSecretFiles(known, values, sources)...)
	c := &Config{sources: sources}
	bad = append(bad, parse(c, known, values)...)
	trimLists(c)
	if len(bad) == 0 {
		bad = append(bad, c.validate()...)
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return nil, bad
	}
	if c.SMBUser == "" {
		c.SMBUser, c.SMBPass = c.User, c.Pass
	}
	return c, nil
}

// trimLists removes the blanks around the entries of lists: a share named
// " f$" would be looked for, and conclusively not be there.
func trimLists(c *Config) {
	for _, list := range [][]string{c.IBStorageDrives, c.CORSOrigins, c.BackupPatterns, c.TrustedProxies} {
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
	}
}

// setting is one field of Config.
type setting struct {
	name, secret string
	firstState   bool // what is in the log wins
	index        int
}

func settings() map[string]setting {
	out := map[string]setting{}
	for i, f := range slices.Collect(reflect.TypeFor[Config]().Fields()) {
		if name := f.Tag.Get("env"); name != "" {
			out[name] = setting{name: name, secret: f.Tag.Get("secret"), firstState: f.Tag.Get("first") == "true", index: i}
		}
	}
	return out
}

func isSetting(known map[string]setting, name string) bool {
	_, ok := known[name]
	return ok
}

// isSecret tells whether a name is <NAME>_FILE of a secret.
func isSecret(known map[string]setting, fileName string) bool {
	base, ok := strings.CutSuffix(fileName, "_FILE")
	return ok && known[base].secret != ""
}

// merge lays the process environment over the file. USER is set by every
// shell, so from the environment it counts only beside PASS. An empty value is
// the same as none.
func merge(known map[string]setting, file map[string]string, environ []string, path string) (values, sources map[string]string) {
	values, sources = map[string]string{}, map[string]string{}
	process := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		process[name] = value
	}
	if process["PASS"] == "" && process["PASS_FILE"] == "" {
		delete(process, "USER")
	}
	put := func(name, value, source string) {
		if value != "" && (isSetting(known, name) || isSecret(known, name)) {
			values[name], sources[name] = value, source
		}
	}
	for name, value := range file {
		put(name, value, path)
	}
	for name, value := range process {
		put(name, value, fromEnvironment)
	}
	return values, sources
}

// readSecretFiles replaces <NAME>_FILE by what the file holds, without the
// line end. Both <NAME> and <NAME>_FILE are an error: one would be silently
// ignored.
func readSecretFiles(known map[string]setting, values, sources map[string]string) []string {
	var bad []string
	for name := range maps.Clone(values) {
		if isSetting(known, name) || !isSecret(known, name) {
			continue
		}
		base := strings.TrimSuffix(name, "_FILE")
		if values[base] != "" {
			bad = append(bad, fmt.Sprintf("%s: both %s and %s are set; keep one", base, base, name))
			continue
		}
		b, err := os.ReadFile(values[name])
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		values[base], sources[base] = strings.TrimRight(string(b), "\r\n"), values[name]
	}
	return bad
}

// parse fills c, and says every bad value by the setting's own name.
func parse(c *Config, known map[string]setting, values map[string]string) []string {
	err := env.ParseWithOptions(c, env.Options{Environment: values})
	if err == nil {
		return nil
	}
	var bad []string
	list := []error{err}
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		list = all.Errors
	}
	for _, e := range list {
		p, ok := errors.AsType[env.ParseError](e)
		if !ok {
			bad = append(bad, e.Error())
			continue
		}
		f, _ := reflect.TypeFor[Config]().FieldByName(p.Name)
		name := f.Tag.Get("env")
		value := fmt.Sprintf("%q", values[name])
		if known[name].secret != "" {
			value = "the value"
		}
		bad = append(bad, fmt.Sprintf("%s: %s is no %s", name, value, typeWord(f.Type)))
	}
	return bad
}

func typeWord(t reflect.Type) string {
	switch t.String() {
	case "int":
		return "whole number"
	case "bool":
		return "truth value: use true or false"
	case "time.Duration":
		return "duration, as 30s, 5m or 26h"
	case "config.Size":
		return "size, as 1024, 1KiB or 100GiB"
	}
	return "valid value"
}

// FirstStateSet tells whether any setting of schedule or policy was given, and
// is not merely a default.
func (c *Config) FirstStateSet() bool {
	for name, s := range settings() {
		if s.firstState && c.sources[name] != "" {
			return true
		}
	}
	return false
}

// Print writes every setting, its value and where it comes from, secrets
// hidden.
func (c *Config) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	v := reflect.ValueOf(c).Elem()
	byIndex := slices.SortedFunc(maps.Values(settings()), func(a, b setting) int { return a.index - b.index })
	for _, s := range byIndex {
		source := c.sources[s.name]
		if source == "" {
			source = fromDefault
		}
		if s.firstState {
			source += "; first state only"
		}
		if _, err := fmt.Fprintf(t, "%s\t%s\t# %s\n", s.name, show(s, v.Field(s.index)), source); err != nil {
			return fmt.Errorf("print the settings: %w", err)
		}
	}
	return t.Flush()
}

func show(s setting, v reflect.Value) string {
	text := fmt.Sprint(v.Interface())
	if v.Kind() == reflect.Slice {
		text = strings.Trim(strings.Join(strings.Fields(text), ","), "[]")
	}
	switch {
	case text == "":
		return "-"
	case s.secret == "true":
		return "********"
	case s.secret == "url":
		if u, err := url.Parse(text); err == nil {
			return u.Redacted()
		}
		return "********"
	}
	return text
}
