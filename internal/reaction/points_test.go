package reaction

// At has f called with the name of each point that an execution passes.
func (x *Exports) At(f func(point string)) { x.at = f }
