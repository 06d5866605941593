package instance

import "testing"

func TestAQuarterOfTheDescriptors(t *testing.T) {
	t.Parallel()
	for allowed, want := range map[uint64]int{10: 64, 1024: 256, 20_000: 5000, 1 << 63: 8192} {
		if got := clientLimit(allowed); got != want {
			t.Errorf("%d clients of %d descriptors, want %d", got, allowed, want)
		}
	}
}
