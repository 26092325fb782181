package delivery

// MaxLanes is how many lanes of an endpoint may be open. At the bound its cursor
// stops.
const MaxLanes = maxLanes
