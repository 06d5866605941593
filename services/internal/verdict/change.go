package verdict

import (
	"errors"
	"slices"
	"strings"
	"time"

	"backupmonitor/events"
)

// Change is a policy of which only some rules are given. The others stay as
// they were for each look.
type Change struct {
	MaxAge   *time.Duration // 0 turns the age rule off
	MinSize  *int64         // bytes
	Patterns []string       // none: as they were
}

// Empty tells whether nothing would be another.
func (c Change) Empty() bool { return c.MaxAge == nil && c.MinSize == nil && len(c.Patterns) == 0 }

// SetPatterns takes patterns of file names, of which there must be one.
func (c *Change) SetPatterns(patterns []string) error {
	c.Patterns = nil
	for _, p := range patterns {
		p = strings.TrimSpace(p)
		if p == "" {
			return errors.New("one of the patterns is empty")
		}
		c.Patterns = append(c.Patterns, p)
	}
	if len(c.Patterns) == 0 {
		return errors.New("name at least one pattern, as *.bak")
	}
	return nil
}

// On is what the change makes of the policy that a look was judged by. own is
// the outlet's own age rule, in seconds, nil where it has none: it stands.
func (c Change) On(p events.Policy, own *int64) events.Policy {
	switch {
	case own != nil:
		p.MaxAgeSeconds = *own
	case c.MaxAge != nil:
		p.MaxAgeSeconds = int64(*c.MaxAge / time.Second)
	}
	if c.MinSize != nil {
		p.MinSizeBytes = *c.MinSize
	}
	if len(c.Patterns) > 0 {
		p.Patterns = slices.Clone(c.Patterns)
	}
	return p
}
