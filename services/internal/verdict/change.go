package verdict

import (
	"slices"
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
