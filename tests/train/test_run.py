import json

import pytest
from bonefx_edge.model.bundled import bundled_models
from bonefx_edge.model.model_file import ModelFile
from bonefx_train.errors import DataError
from bonefx_train.run import FitSettings

SETTINGS = {
    **ModelFile.read(bundled_models()["lite0-float16"]).manifest.provenance.settings,
    "data_root": "/data",
}
"""As an earlier version wrote them, in the bundled model."""


def test_settings_of_an_earlier_version_are_read():
    settings = FitSettings.from_json(json.dumps(SETTINGS))
    assert "views_per_epoch" in SETTINGS
    assert (settings.patches_per_epoch, settings.weight_average) == (8000, 0.5)


def test_settings_are_read_as_they_were_written():
    settings = FitSettings.from_json(json.dumps(SETTINGS))
    assert "patches_per_epoch" in json.loads(settings.to_json())
    assert FitSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("text", ["[]", "{}", "no JSON", '{"network": "seed", "odd": 1}'])
def test_other_text_is_refused(text):
    with pytest.raises(DataError, match=r"settings\.json: expected the settings"):
        FitSettings.from_json(text)
