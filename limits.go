package berth

// Bounds of what a user may hand in. docs/limits.md is the same table in prose;
// TestLimitsDoc compares the two.
const (
	MaxIDLength          = 128
	MaxRequestBytes      = 64 << 10 // the encoded request
	MaxRequestsPerCall   = 1000
	MaxGroupSize         = 1000
	MaxCommandArgs       = 1024
	MaxEnvVars           = 512
	MaxLabels            = 64
	MaxLabelBytes        = 256 // of a key, and of a value
	MaxConstraints       = 32
	MaxConstraintValues  = 64
	MaxTaints            = 32 // of a worker's registration, and of an operator
	MaxTolerations       = 32
	MaxAffinities        = 16 // in affinity, and in anti_affinity
	MaxSpreads           = 8
	MaxWeight            = 100
	MaxSkew              = 10_000
	MaxMessageBytes      = 1024 // of the text with a cancel, an intent or a brake's word, and of what a worker reports
	MaxPathBytes         = 4096
	MaxCustomResources   = 32
	MaxPortsPerRequest   = 32
	MaxDevicesPerRequest = 64
	MaxDevicesPerWorker  = 256
	MaxNUMANode          = 1023
	MaxDeviceTypes       = 16
	MaxPortsPerWorker    = 16_384 // reserved all, the ledger fits into a record
	MaxPriority          = 1000   // the lowest is 0
	MaxDrainParallel     = 10_000
	MaxDrainPerMinute    = 60_000
	MaxAttempts          = 100
	MaxWarmKeys          = 32 // that a worker says are warm on it
	MaxWarmImages        = 64 // that a worker says are on it
	MaxQuotaLimits       = 64 // dimensions of one quota
	MaxQuotaPools        = 64 // with a quota of one tenant
	MaxTenantWeight      = 1000
	MaxPoolWeight        = 1000 // of a scorer

	MaxCPUMilli    int64 = 1_000_000_000          // a million cores
	MaxMemoryBytes int64 = 1 << 50                // 1 PiB
	MaxDiskBytes   int64 = 1 << 60                // 1 EiB
	MaxCustom      int64 = 1_000_000_000_000_000  // 10^15 units
	MaxDurationMS  int64 = 365 * 24 * 3600 * 1000 // a year
	MaxStopMS      int64 = 3600 * 1000            // an hour between SIGTERM and SIGKILL
	WholeDevice    int64 = 1000                   // thousandths of one device
)
