"""Files of weights: recognised (`detect`), read safely (`files`, `pickles`), made into models
(`load`) and written (`save`). Every refusal is a `WeightsError` (`errors`)."""
