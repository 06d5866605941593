package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written plainly or with a binary unit: 1024,
// 1KiB, 1.5 GB. KB, MB, GB and TB count as KiB, MiB, GiB and TiB, as the
// operators of Windows servers read them.
type Size int64

type unit struct {
	name  string
	bytes float64
}

func units() []unit {
	return []unit{{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}}
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	given := strings.TrimSpace(string(text))
	v := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(given), "B"), "I")
	factor := 1.0
	for _, u := range units() {
		if rest, ok := strings.CutSuffix(v, u.name); ok {
			v, factor = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
	if err != nil || n != n || n*factor > 1<<62 || n*factor < -(1<<62) {
		return fmt.Errorf("%q is no size: write bytes, or a number with KiB, MiB, GiB or TiB", given)
	}
	*s = Size(n * factor)
	return nil
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units() {
		if b := Size(u.bytes); s != 0 && s%b == 0 {
			return strconv.FormatInt(int64(s/b), 10) + u.name + "iB"
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
