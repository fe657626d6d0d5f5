// Search over notes, as an Android library module beside the kit of a bundle. ../README.md says how an app includes both.
plugins {
    id("com.android.library")
}

android {
    namespace = "notes.search"
    compileSdk = 35
    defaultConfig { minSdk = 24 }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
}

dependencies {
    api(project(":edgeemb"))
}
