package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// readDotenv reads a .env file as the original system's library did, with one
// difference: a dollar sign stands for itself. The libraries for Go expand
// $NAME or end a value at any '#', and would so change a password without a
// word, which an account's lock-out counter would be the first to notice.
//
//	NAME=value        # a comment needs a blank before it
//	export NAME='as it stands, # included'
//	NAME="with \n \t \" \\"
//
// Errors name the line and never what stands on it. A file that does not exist
// is empty.
func readDotenv(path string) (map[string]string, []string) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []string{err.Error()}
	}
	values := map[string]string{}
	var bad []string
	text := strings.TrimPrefix(string(data), "\ufeff")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, err := readAssignment(strings.TrimPrefix(line, "export "))
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s, line %d: %v", path, i+1, err))
			continue
		}
		if _, twice := values[name]; twice {
			bad = append(bad, fmt.Sprintf("%s, line %d: %s is set a second time", path, i+1, name))
		}
		values[name] = value
	}
	return values, bad
}

func readAssignment(line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || !isName(name) {
		return "", "", errors.New("it is not NAME=value")
	}
	switch {
	case strings.HasPrefix(value, "'"):
		value, err = quoted(value, '\'')
	case strings.HasPrefix(value, `"`):
		value, err = quoted(value, '"')
	default:
		value = withoutComment(value)
	}
	return name, value, err
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func withoutComment(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			return strings.TrimSpace(s[:i])
		}
	}
	return s
}

// quoted reads a value between quotes. Between double quotes a backslash gives
// the next character another meaning; between single ones nothing does.
func quoted(s string, quote byte) (string, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			if rest := strings.TrimSpace(s[i+1:]); rest != "" && rest[0] != '#' {
				return "", errors.New("something stands behind the closing quote")
			}
			return b.String(), nil
		case s[i] == '\\' && quote == '"' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case '"', '\\', '$':
				b.WriteByte(s[i])
			default:
				b.WriteByte('\\')
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", errors.New("a quote is not closed")
}
