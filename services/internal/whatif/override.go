package whatif

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"backupmonitor/services/internal/config"
)

// ParseOverride reads an override as people write it:
// max_age=24h,min_size=1MiB,patterns=*.bak;*.full.
func ParseOverride(s string) (Override, error) {
	var o Override
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return o, fmt.Errorf("%q is not name=value, as max_age=24h or min_size=1MiB", part)
		}
		if err := o.set(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *Override) set(name, value string) error {
	switch name {
	case "max_age":
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 || d%time.Second != 0 {
			return fmt.Errorf("max_age: %q is no duration in whole seconds, as 24h; 0 turns the rule off", value)
		}
		o.MaxAge = &d
	case "min_size":
		var size config.Size
		if err := size.UnmarshalText([]byte(value)); err != nil {
			return fmt.Errorf("min_size: %w", err)
		}
		if size < 0 {
			return errors.New("min_size: it cannot be negative")
		}
		n := int64(size)
		o.MinSize = &n
	case "patterns":
		return o.SetPatterns(strings.Split(value, ";"))
	default:
		return fmt.Errorf("there is no %q in a policy: use max_age, min_size, patterns", name)
	}
	return nil
}

// SetPatterns takes patterns of file names.
func (o *Override) SetPatterns(patterns []string) error {
	o.Patterns = nil
	for _, p := range patterns {
		p = strings.TrimSpace(p)
		if p == "" {
			return errors.New("patterns: one of them is empty")
		}
		o.Patterns = append(o.Patterns, p)
	}
	return nil
}
