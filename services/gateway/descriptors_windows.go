package gateway

// descriptors: Windows knows no such limit.
func descriptors() uint64 { return 4 * maxStreams }
