package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"backupmonitor/services/internal/config"
	"backupmonitor/services/internal/verdict"
)

// policyHelp says how a policy is written on the command line.
const policyHelp = "rules to judge by, as max_age=24h,min_size=1KiB,patterns=*.bak|*.zip; those not given stay as they were"

// parsePolicy reads rules as policyHelp says.
func parsePolicy(text string) (c verdict.Change, err error) {
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch strings.TrimSpace(name) {
		case "max_age":
			d, derr := time.ParseDuration(strings.TrimSpace(value))
			if derr != nil || d < 0 || d%time.Second != 0 {
				err = errors.Join(err, fmt.Errorf("max_age: %q is no duration in whole seconds, as 24h; 0 turns the age rule off", value))
			}
			c.MaxAge = &d
		case "min_size":
			var s config.Size
			if serr := s.UnmarshalText([]byte(value)); serr != nil || s < 0 {
				err = errors.Join(err, fmt.Errorf("min_size: %q is no size, as 1KiB", value))
			}
			n := int64(s)
			c.MinSize = &n
		case "patterns":
			if perr := c.SetPatterns(strings.Split(value, "|")); perr != nil {
				err = errors.Join(err, fmt.Errorf("patterns: %w", perr))
			}
		default:
			err = errors.Join(err, fmt.Errorf("%q is no rule: use max_age, min_size, patterns", name))
		}
	}
	return c, err
}
